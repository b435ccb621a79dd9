// Shows records as they arrive, newest first.
