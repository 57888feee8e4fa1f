"""Whether readings can have been measured: limits of quantities and devices, and the rule."""
