"""The course as a site of static pages: what is put on it (stage), how it looks (conf, static)."""
