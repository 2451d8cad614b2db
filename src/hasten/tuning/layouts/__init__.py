"""How many processes should share a training, and how: predicted from measured links and steps, then measured.

memory, time    what one costs: arithmetic on plain values; `pipelines` and `sending` are parts of it
readings        two micro-batches of the training, timed and watched
one_process     what each layout costs one of its processes, by those readings; `parts` of layers, `stages` of pipelines
fake, counting  a step on tensors without memory, for trainings that do not fit into this machine
dry_run         a step of a layout whose devices are not there, or the stages of one
predict         all of it together: which layouts fit, and which is the fastest
trial, measure  the best three against one process, each in new processes
"""
