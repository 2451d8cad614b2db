"""Floor 3: the catalog. Each technique is one module, in the folder of the stage where it acts."""
