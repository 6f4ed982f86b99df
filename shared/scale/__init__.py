"""Jobs that outgrow one process: workers that write parts of an output."""
