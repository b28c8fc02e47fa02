mark="$1"
set -e
touch "/usr/postmill-$mark"
rm "/usr/postmill-$mark"
echo SUCCEEDED: wrote to /usr
