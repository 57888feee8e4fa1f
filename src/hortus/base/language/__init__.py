"""The languages of texts for people: translations, and the language of the current request."""
