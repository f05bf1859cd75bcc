"""Methods of learning with noisy labels: one file a method, `base` the contract, `registry` the list."""
