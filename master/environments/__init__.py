"""Environment files: the variables that piswarm's processes read, declared once; files of them generated, checked and compared."""
