set -e
for i in 1 2 3 4; do head -c 10000000 /dev/zero >"/tmp/fill.$i"; done
rm /tmp/fill.*
echo SUCCEEDED: 40 MB in /tmp
