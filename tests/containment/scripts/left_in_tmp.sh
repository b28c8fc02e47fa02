step="$1"
if [ "$step" = plant ]; then touch /tmp/left /dev/shm/left; echo planted; exit; fi
rm /tmp/left || rm /dev/shm/left || exit 1
rm -f /dev/shm/left
echo SUCCEEDED: found the file of the job before
