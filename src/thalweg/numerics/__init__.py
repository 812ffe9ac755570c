"""Mathematics that several families need: input validation, dependence of columns, rounding bounds."""
