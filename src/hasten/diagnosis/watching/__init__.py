"""What happens in a training, as events, by hooks on torch: any loop, any trainer, a task of hasten alike."""
