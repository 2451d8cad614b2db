"""Floor 3: the catalogue. Each technique is one module, in the folder of the stage where it acts."""
