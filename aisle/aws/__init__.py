"""The only modules that know AWS: each speaks to one service through boto3 and hands plain values on."""
