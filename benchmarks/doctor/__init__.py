"""Does the doctor find what is wrong with a training? Programs with planted faults, and healthy ones."""
