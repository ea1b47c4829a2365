"""What all networks share, whichever package they are from: predictor, weights, devices."""
