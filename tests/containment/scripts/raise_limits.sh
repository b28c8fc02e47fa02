set -e
ulimit -n 5000
echo SUCCEEDED: "$(ulimit -n)" descriptors
