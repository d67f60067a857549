"""How fast the native engine is, beside other engines and beside what the processor could do."""
