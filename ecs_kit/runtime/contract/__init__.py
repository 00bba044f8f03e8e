"""The contract between what is deployed and what runs, of the standard library alone: `components` may import it."""
