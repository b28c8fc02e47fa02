"""What a script needs beside its own text: requirements → lock → a directory, made once and read by many jobs."""
