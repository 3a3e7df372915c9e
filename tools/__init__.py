"""Scripts for maintainers: keep the lessons in step with the library, run and check them."""
