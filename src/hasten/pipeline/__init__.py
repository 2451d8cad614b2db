"""Floor 5: the main job, which uses every room below and decides nothing that one of them could."""
