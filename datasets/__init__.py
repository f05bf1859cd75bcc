"""Data: clean data sets, noise models, augmentation, loaders; one file for each data set."""
