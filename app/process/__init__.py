"""Starting, running and stopping one process: server, worker, data folder, development."""
