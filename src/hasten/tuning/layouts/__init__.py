"""How many processes should share a training, and how: predicted from measured links and steps, then measured.

candidates      the layouts that are asked about, at most ten
memory, time    what one costs: arithmetic on plain values
readings        two micro-batches of the training, timed and watched
predict         all of it together: which layouts fit, and which is the fastest
trial, measure  the best three against one process, each in new processes
"""
