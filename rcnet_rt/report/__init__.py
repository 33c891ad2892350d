"""The report page of an evaluation, and the curves of a training: numbers, then figures, then HTML.

Needs matplotlib and jinja2: `pip install 'rcnet-rt[report]'`.
"""
