"""Networks, data sets, training and checkpoints for the examples."""
