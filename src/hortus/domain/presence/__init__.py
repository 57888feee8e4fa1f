"""Whether kits are there: facts, and the judgement made of them."""
