"""The command line: ``equipoise`` and ``python -m equipoise``.

Who calls whom, from top to bottom::

    main                        parse the arguments, run one command, return the exit status
      |
      +-- demo/command          "equipoise demo"
      |     +-- open_bandit     compute the demo on the embedded log; open_bandit_page prints it
      |     +-- recommender     compare recommenders on the user's own log, and print the result
      |           +-- interactions    read the log
      |           +-- splits          cut it into a training and a test part
      |           +-- bpr             train one recommender
      |           +-- metrics         measure how good it is
      |
      +-- sample/command        "equipoise sample"
      |     +-- passes          read the files once or twice and write the sample
      |           +-- columns         turn the columns of a file into what a reservoir takes
      |           +-- reservoirs      choose the rows
      |           +-- held            keep candidate rows, if one pass over the files is enough
      |           +-- output          write the result
      |
      +-- info                  "equipoise info"

    files/                      CSV and Parquet files: ``columns`` reads a few whole columns into memory,
                                ``rows`` streams files of any size
    errors, arguments           the one error class, exit statuses, types of arguments
    pages, progress             tables on standard output, progress on standard error

To add a command, write a module with ``add_parser(commands)`` and name it in ``main.COMMANDS``. A command
imports what it needs when it runs, so that ``equipoise --help`` stays fast and needs NumPy alone.
"""
