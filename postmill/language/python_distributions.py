"""Which distribution of the package index brings an import, where the two have different names.

Only what its own name does not find stands here: `requests` is in `requests`. A key with dots is a part of a
namespace that several distributions share; the longest key that fits an import decides.
"""

from collections.abc import Mapping

_TABLE = """
    antlr4=antlr4-python3-runtime  apiclient=google-api-python-client  arango=python-arango  attr=attrs
    barcode=python-barcode  Bio=biopython  bitcoin=python-bitcoinlib  bs4=beautifulsoup4  bson=pymongo  cairo=pycairo
    cassandra=cassandra-driver  consul=python-consul  corsheaders=django-cors-headers  crontab=python-crontab
    Crypto=pycryptodome  Cryptodome=pycryptodomex  cups=pycups  cv2=opencv-python-headless  daemon=python-daemon
    databricks=databricks-sdk  databricks.sdk=databricks-sdk  databricks.sql=databricks-sql-connector
    dateutil=python-dateutil  dbus=dbus-python  decouple=python-decouple  delta=delta-spark  discord=discord.py
    dns=dnspython  docx=python-docx  dotenv=python-dotenv  enchant=pyenchant  engineio=python-engineio
    environ=django-environ  faiss=faiss-cpu  ffmpeg=ffmpeg-python  fitz=PyMuPDF  frontmatter=python-frontmatter
    fuse=fusepy  gi=PyGObject  git=GitPython  github=PyGithub  gitlab=python-gitlab  gnupg=python-gnupg
    googleapiclient=google-api-python-client  googlesearch=googlesearch-python  graphql=graphql-core  gridfs=pymongo
    grpc=grpcio  grpc_status=grpcio-status  grpc_tools=grpcio-tools  haystack=haystack-ai  hcl2=python-hcl2
    hubspot=hubspot-api-client  imblearn=imbalanced-learn  intercom=python-intercom  jenkins=python-jenkins  jks=pyjks
    jose=python-jose  jwt=PyJWT  kafka=kafka-python  keycloak=python-keycloak  ldap=python-ldap
    linkedin=python-linkedin  logstash=python-logstash  magic=python-magic  memcache=python-memcached
    mpl_toolkits=matplotlib  multipart=python-multipart  mysql=mysql-connector-python  MySQLdb=mysqlclient
    nacl=PyNaCl  nmap=python-nmap  novaclient=python-novaclient  opensearchpy=opensearch-py  OpenSSL=pyOpenSSL
    osgeo=GDAL  pdfminer=pdfminer.six  PIL=pillow  pkg_resources=setuptools  plaid=plaid-python  playhouse=peewee
    pptx=python-pptx  psycopg2=psycopg2-binary  pwiz=peewee  pylab=matplotlib  pynvml=nvidia-ml-py  pythoncom=pywin32
    pywintypes=pywin32  rapidjson=python-rapidjson  readability=readability-lxml  rest_framework=djangorestframework
    ruamel=ruamel.yaml  ruamel.yaml=ruamel.yaml  samba=pysmbclient  serial=pyserial  shapefile=pyshp
    shopify=ShopifyAPI  skimage=scikit-image  sklearn=scikit-learn  slack=slackclient  slugify=python-slugify
    smartsheet=smartsheet-python-sdk  smb=pysmb  snappy=python-snappy  snowflake=snowflake-connector-python
    snowflake.connector=snowflake-connector-python  snowflake.snowpark=snowflake-snowpark-python
    snowflake.sqlalchemy=snowflake-sqlalchemy  socketio=python-socketio  socks=PySocks
    speech_recognition=SpeechRecognition  square=squareup  stdnum=python-stdnum  swiftclient=python-swiftclient
    tabula=tabula-py  talib=TA-Lib  telegram=python-telegram-bot  tlz=toolz  twitter=python-twitter  umap=umap-learn
    usb=pyusb  webpush=pywebpush  websocket=websocket-client  whois=python-whois  win32api=pywin32  win32com=pywin32
    win32con=pywin32  win32gui=pywin32  winrm=pywinrm  wordpress_xmlrpc=python-wordpress-xmlrpc  wx=wxPython
    xdg=pyxdg  Xlib=python-xlib  yaml=PyYAML  yaml_env_tag=pyyaml-env-tag  zmq=pyzmq

    google=google-api-core  google.ads=google-ads  google.analytics.admin=google-analytics-admin
    google.analytics.data=google-analytics-data  google.api_core=google-api-core  google.auth=google-auth
    google.cloud=google-cloud-core  google.cloud.aiplatform=google-cloud-aiplatform
    google.cloud.bigquery=google-cloud-bigquery  google.cloud.bigquery_storage=google-cloud-bigquery-storage
    google.cloud.bigtable=google-cloud-bigtable  google.cloud.compute=google-cloud-compute
    google.cloud.compute_v1=google-cloud-compute  google.cloud.datastore=google-cloud-datastore
    google.cloud.documentai=google-cloud-documentai  google.cloud.firestore=google-cloud-firestore
    google.cloud.kms=google-cloud-kms  google.cloud.logging=google-cloud-logging
    google.cloud.monitoring_v3=google-cloud-monitoring  google.cloud.pubsub=google-cloud-pubsub
    google.cloud.pubsub_v1=google-cloud-pubsub  google.cloud.run_v2=google-cloud-run
    google.cloud.scheduler=google-cloud-scheduler  google.cloud.secretmanager=google-cloud-secret-manager
    google.cloud.secretmanager_v1=google-cloud-secret-manager  google.cloud.spanner=google-cloud-spanner
    google.cloud.speech=google-cloud-speech  google.cloud.sql.connector=cloud-sql-python-connector
    google.cloud.storage=google-cloud-storage  google.cloud.tasks=google-cloud-tasks
    google.cloud.tasks_v2=google-cloud-tasks  google.cloud.texttospeech=google-cloud-texttospeech
    google.cloud.translate=google-cloud-translate  google.cloud.translate_v2=google-cloud-translate
    google.cloud.vision=google-cloud-vision  google.genai=google-genai  google.generativeai=google-generativeai
    google.iam=grpc-google-iam-v1  google.oauth2=google-auth  google.protobuf=protobuf
    google.rpc=googleapis-common-protos  google.type=googleapis-common-protos

    azure=azure-core  azure.core=azure-core  azure.cosmos=azure-cosmos  azure.data.tables=azure-data-tables
    azure.devops=azure-devops  azure.eventgrid=azure-eventgrid  azure.eventhub=azure-eventhub
    azure.functions=azure-functions  azure.identity=azure-identity  azure.keyvault=azure-keyvault-secrets
    azure.keyvault.certificates=azure-keyvault-certificates  azure.keyvault.keys=azure-keyvault-keys
    azure.keyvault.secrets=azure-keyvault-secrets  azure.mgmt.compute=azure-mgmt-compute
    azure.mgmt.network=azure-mgmt-network  azure.mgmt.resource=azure-mgmt-resource
    azure.mgmt.storage=azure-mgmt-storage  azure.monitor.query=azure-monitor-query
    azure.search.documents=azure-search-documents  azure.servicebus=azure-servicebus  azure.storage=azure-storage-blob
    azure.storage.blob=azure-storage-blob  azure.storage.filedatalake=azure-storage-file-datalake
    azure.storage.fileshare=azure-storage-file-share  azure.storage.queue=azure-storage-queue

    opentelemetry=opentelemetry-api  opentelemetry.exporter.otlp=opentelemetry-exporter-otlp
    opentelemetry.sdk=opentelemetry-sdk
"""


def _read(table: str) -> Mapping[str, str]:
    entries = [entry.split("=") for entry in table.split()]
    return {name: distribution for name, distribution in entries}


DISTRIBUTIONS: Mapping[str, str] = _read(_TABLE)
"""Dotted import name → distribution."""


def distribution(module: str) -> str:
    """The distribution that brings the module with this dotted name (`google.cloud.storage.Blob`, `yaml`)."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        found = DISTRIBUTIONS.get(".".join(parts[:length]))
        if found is not None:
            return found
    return parts[0].replace("_", "-")
