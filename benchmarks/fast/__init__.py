"""What a click costs, ours beside the usual server design: `make bench`."""
