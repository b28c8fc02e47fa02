mark="$1"
set -e
mkdir "/postmill-$mark"
rmdir "/postmill-$mark"
echo SUCCEEDED: wrote to the root directory
