"""How a task is to be executed: by which model of which provider, for how much money, time and machine.

`profiles` says what there is, `resources` what the machine has left, `forecast` what each profile would come to for one
task, `front` which of these are worth a thought, `engine` picks one.  Above it stand the tools, below it `tasks`.
"""
