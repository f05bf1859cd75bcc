"""The machine that runs are executed on: devices, precision, processor, and files that commands write."""
