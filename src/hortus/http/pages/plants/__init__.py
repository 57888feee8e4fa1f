"""Plants: the list, the page of each, and the forms that change them."""
