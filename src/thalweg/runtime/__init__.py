"""What surrounds a computation: versions, threads, drawing conventions, golden values for `doctor`."""
