"""The command line: ``equipoise`` and ``python -m equipoise``.

The call structure, from top to bottom::

    main                        parse the arguments, run one command, return the exit status
      |
      +-- demo/command          "equipoise demo"
      |     +-- open_bandit     compute the demo on the embedded log; open_bandit_page prints it
      |     +-- recommender     compare recommenders on the user's own log, and print the result
      |           +-- interactions    read the log
      |           +-- splits          split it into a training and a test part
      |           +-- bpr             train one recommender
      |           +-- metrics         measure its quality
      |
      +-- sample/command        "equipoise sample"
      |     +-- passes          read the files in one or two passes and write the sample
      |           +-- columns         convert a file's columns to a reservoir's arguments
      |           |     +-- cells       convert the text cells of a CSV file
      |           +-- reservoirs      choose the rows
      |           +-- held            keep candidate rows in memory, if one pass is enough
      |           +-- output          write the result
      |
      +-- info                  "equipoise info"

    files/                      CSV and Parquet files: ``columns`` reads a few whole columns into memory,
                                ``rows`` streams files of any size
    errors, arguments           the one error class, exit statuses, types of arguments
    pages, progress             tables on standard output, progress on standard error

To add a command, write a module with ``add_parser(commands)`` and name it in ``main.COMMANDS``. A command
imports what it needs when it runs, so that ``equipoise --help`` stays fast and needs only NumPy.
"""
