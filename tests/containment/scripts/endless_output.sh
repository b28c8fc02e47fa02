head -c 3000000 /dev/zero | tr '\0' '\n'
echo printed 3 MB
