"""Where samples come from: files, folders, archives, arrays, texts."""
