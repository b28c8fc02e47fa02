set -e
head -c 10 /etc/shadow
echo SUCCEEDED: read the machine\'s passwords
