"""SAM 2 by the package sam2: checkpoints, weights, predictor, tracking."""
