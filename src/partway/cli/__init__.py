"""The command line: one thin module a verb, words in, tables or JSON and an exit status out."""
