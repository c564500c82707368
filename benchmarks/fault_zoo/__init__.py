"""Small trainings, broken and healthy, on which the debugger's rules are judged."""
