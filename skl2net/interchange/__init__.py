"""Fitted networks from and to other libraries, each in a module that is imported when first used."""
