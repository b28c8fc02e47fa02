set -e
unshare --user true
echo SUCCEEDED: made a user namespace
