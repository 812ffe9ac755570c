"""Output-space adapted gradient flow: README.md states the theorems and their limits."""
