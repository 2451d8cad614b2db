"""How batches come to the step: ahead of it in a thread, from the device's own memory, and the fastest way by trial."""
