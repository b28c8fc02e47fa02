open_directory="$1"
set -e
echo x >"$open_directory/left"
rm "$open_directory/left"
echo "SUCCEEDED: wrote to $open_directory"
