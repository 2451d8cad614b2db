"""Rules about time and memory: a profile and a machine -> a finding."""
