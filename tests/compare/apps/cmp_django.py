"""Django in one file, WSGI (`app`) and ASGI (`asgi`): login, forms, uploads, files, streams, SQLite."""
import asyncio
import os
import time

from django import setup
from django.conf import settings

settings.configure(
    SECRET_KEY="for comparing alone", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=["django.middleware.gzip.GZipMiddleware",
                "django.middleware.http.ConditionalGetMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.common.CommonMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                           "NAME": os.path.join(os.path.expanduser("~"), "django.db")}})
setup()

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

call_command("migrate", verbosity=0)
User.objects.get_or_create(username="one")


def enter(request):
    login(request, User.objects.get(username="one"))
    return HttpResponse("in")


def inside(request):
    return JsonResponse({"user": request.user.username}, status=200 if request.user.is_authenticated else 403)


def upload(request):
    return JsonResponse({name: [part.name, part.size] for name, part in request.FILES.items()})


def stream(_):
    def pieces():
        for number in range(3):
            yield f"piece {number}\n"
            time.sleep(0.2)
    return StreamingHttpResponse(pieces(), content_type="text/plain")


async def later(_):
    async def pieces():
        for number in range(3):
            yield f"piece {number}\n"
            await asyncio.sleep(0.2)
    return StreamingHttpResponse(pieces(), content_type="text/event-stream")


async def slowly(_):
    await asyncio.sleep(0.05)
    return HttpResponse("slowly")


urlpatterns = [path("enter", enter), path("inside", inside), path("upload", upload),
               path("stream", stream), path("later", later), path("slowly", slowly),
               path("file", lambda _: FileResponse(open(__file__, "rb"))),
               path("long", lambda _: HttpResponse("long " * 1000)),
               path("fails", lambda _: 1 / 0)]
app = get_wsgi_application()
asgi = get_asgi_application()
