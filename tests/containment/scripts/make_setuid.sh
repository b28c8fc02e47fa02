set -e
cp /bin/true mine
chmod u+s mine
[ -u mine ]
echo SUCCEEDED: left a setuid program
