"""The pages of a kit: what they share is here, and each chapter is in files of its own."""
