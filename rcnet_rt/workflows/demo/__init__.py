"""What `rcnet-rt demo` shows: a clip, and which poses raw and refined scores keep."""
