"""What `verify` runs in a work tree: its tests, all or a selection of them, and a look whether everything compiles.

`work_tree` keeps paths inside, `changed` asks git, `categories`, `imports` and `selection` decide which tests run,
`process` runs a program within bounds, `pytest_run` and `compiling` say what to run, `junit` reads what came of it,
`examination` puts it together.  Above it stands the `verify` tool, below it the file system, git and pytest.
"""
