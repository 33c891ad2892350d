"""What the command line does, as functions that anybody can call; one file a verb."""
